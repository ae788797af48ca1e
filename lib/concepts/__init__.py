"""The colour-size world and its concept space."""
