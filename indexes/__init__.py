"""How to find: search structures over arrays; knows nothing of stages, tables or Dask."""
