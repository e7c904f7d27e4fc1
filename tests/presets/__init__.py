"""Every preset reads a small file in its real layout; selected by the folder of its example."""
