"""May a candidate take the serving bundle's place? Decided on parts that taught neither, by paired exact tests."""
