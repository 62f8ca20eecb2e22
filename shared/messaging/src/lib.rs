//! Typed, versioned SQS messages, claim-check to S3 and the partial-batch loop.
