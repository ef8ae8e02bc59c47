"""Problems of the table, with one module for each kind of operator."""
