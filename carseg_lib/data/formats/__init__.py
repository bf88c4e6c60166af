"""The layouts that a data set may come in, one module each, and which of them a folder is."""
