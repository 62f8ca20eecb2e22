//! Message templates, SMS segments, letters and provider clients.
