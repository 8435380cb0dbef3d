"""Methods of the literature, one module each; `table` names them all."""
