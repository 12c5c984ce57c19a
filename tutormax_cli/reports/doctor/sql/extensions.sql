-- The database's extensions, with the version that the server would install.
SELECT extname, extversion, default_version
  FROM pg_extension LEFT JOIN pg_available_extensions ON name = extname
 ORDER BY extname
