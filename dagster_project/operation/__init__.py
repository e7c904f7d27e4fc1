"""How a home fares on its machine: disk, versions, rights. The night itself is elsewhere."""
