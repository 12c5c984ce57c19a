"""Files of real data into the tables: read, checked to the last cell, loaded whole or not at all."""
