"""Values, decisions, runtimes and bundles: the core that every application shares."""
