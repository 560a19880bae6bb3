"""One experiment as typed values: their schema, the words that choose them, what identifies them."""
