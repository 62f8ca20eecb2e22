//! The sms-dispatch function.
