package schema

// ForType is For for types that are made while a test runs.
var ForType = forType
