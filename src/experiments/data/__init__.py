"""From a data set's config to rows that are read once, split, checked and kept while they are needed."""
