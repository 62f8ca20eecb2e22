//! Telemetry, configuration, the two clocks, authentication and permissions.
