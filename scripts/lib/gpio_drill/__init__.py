"""The GPIO drill: the image that boots, the programs inside it, and the judge of what was recorded."""
