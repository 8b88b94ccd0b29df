"""Linear tasks whose rank is planted, so that the minimal rank is known in closed form."""
