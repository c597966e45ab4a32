"""What screens and reports ask of the parts on record: a connection and a `Scope` in, frozen values out."""
