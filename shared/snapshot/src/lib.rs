//! The population snapshot: Arrow schemas, Parquet parts and the manifest.
