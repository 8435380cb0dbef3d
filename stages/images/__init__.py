"""From files of images to candidate pairs: what was trained on, what was made, how alike."""
