//! Several fronts on one store.
