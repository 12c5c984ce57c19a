-- The keys and indexes of some tables, as the statements that drop and create them and put their comments back.
-- Foreign keys come first, because the unique indexes below them can't go before they do.
WITH chosen AS (
    SELECT unnest(%(tables)s::oid[]) AS oid
),
foreign_keys AS (
    SELECT con.*, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS table_name, c.relname,
           quote_ident(con.conname) AS name
    FROM pg_constraint AS con
    JOIN pg_class AS c ON c.oid = con.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE con.contype = 'f' AND con.conparentid = 0
      AND (con.conrelid IN (SELECT oid FROM chosen) OR con.confrelid IN (SELECT oid FROM chosen))
),
indexes AS (
    SELECT
        i.indexrelid,
        quote_ident(n.nspname) || '.' || quote_ident(t.relname) AS table_name,
        t.relname,
        quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS index_name,  -- in its table's schema
        con.oid AS constraint_oid,
        quote_ident(con.conname) AS constraint_name
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_class AS t ON t.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
    LEFT JOIN pg_constraint AS con ON con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x')
    WHERE i.indrelid IN (SELECT oid FROM chosen)
      AND i.indisvalid AND i.indisready AND NOT i.indisclustered AND NOT i.indisreplident
      AND c.reltablespace = 0 AND c.relkind = 'i' AND NOT c.relispartition
      AND NOT EXISTS (
          SELECT FROM pg_attribute AS a WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0)
      -- Nothing may rest on it or own it, other than the foreign keys that are taken away before it.
      AND NOT EXISTS (
          SELECT FROM pg_depend AS d
          WHERE d.deptype = 'n'
            AND ((d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indexrelid)
                OR (d.refclassid = 'pg_constraint'::regclass AND d.refobjid = con.oid))
            AND NOT (d.classid = 'pg_constraint'::regclass AND d.objid IN (SELECT oid FROM foreign_keys)))
      AND NOT EXISTS (
          SELECT FROM pg_depend AS d
          WHERE d.deptype IN ('x', 'e') AND d.objid IN (i.indexrelid, con.oid))
)
SELECT
    relname,
    true AS foreign_key,
    'ALTER TABLE ' || table_name || ' DROP CONSTRAINT ' || name AS drop_it,
    'ALTER TABLE ' || table_name || ' ADD CONSTRAINT ' || name || ' ' || pg_get_constraintdef(oid) AS create_it,
    'COMMENT ON CONSTRAINT ' || name || ' ON ' || table_name || ' IS '
        || quote_literal(obj_description(oid, 'pg_constraint')) AS comment_on_constraint,
    NULL AS comment_on_index,
    oid AS position
FROM foreign_keys
UNION ALL
SELECT
    relname,
    false,
    CASE WHEN constraint_oid IS NULL THEN 'DROP INDEX ' || index_name
         ELSE 'ALTER TABLE ' || table_name || ' DROP CONSTRAINT ' || constraint_name END,
    CASE WHEN constraint_oid IS NULL THEN pg_get_indexdef(indexrelid)
         ELSE 'ALTER TABLE ' || table_name || ' ADD CONSTRAINT ' || constraint_name || ' '
             || pg_get_constraintdef(constraint_oid) END,
    'COMMENT ON CONSTRAINT ' || constraint_name || ' ON ' || table_name || ' IS '
        || quote_literal(obj_description(constraint_oid, 'pg_constraint')),
    'COMMENT ON INDEX ' || index_name || ' IS ' || quote_literal(obj_description(indexrelid, 'pg_class')),
    indexrelid
FROM indexes
ORDER BY foreign_key DESC, position
