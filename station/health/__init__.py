"""How the station does, told at a local HTTP port by a process of its own."""
