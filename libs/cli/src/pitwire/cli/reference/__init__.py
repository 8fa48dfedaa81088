"""The generated half of the documentation: made from registry, topology, enums, configuration and commands alone."""
