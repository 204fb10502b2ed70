"""A Git-Theta plug-in that decomposes the Fisher information of examples, by NPEFF."""
