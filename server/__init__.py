"""Everything that serves: settings, the engine, the gateway."""
