"""Evidence: a sealed folder that stock tools verify, and the closed-world check of one."""
