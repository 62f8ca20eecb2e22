//! People, vaccinations, invitations, messages and calls: types and rules without input or output.
