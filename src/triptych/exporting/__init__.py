"""Export: vectors and scorers of fitted models in the forms of search indices, databases and inference runtimes."""
