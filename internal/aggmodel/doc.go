// Package aggmodel says what a MongoDB server answers to an aggregation pipeline over a few documents in memory. It is an
// oracle for tests: an independent, plain reading of the manual's pages on aggregation, query and BSON comparison, against
// which the effect of rewriting a pipeline is judged. Only _test files may import it.
//
// It is not a database and not for production: every stage holds all documents, grouping and joins are quadratic, deep
// recursion is not bounded and nothing is optimised. What it does not model it refuses with ErrUnsupported; it never guesses.
// Operators it has never heard of are ErrUnsupported too, since it cannot tell them from those it does not model.
//
// Where a server is free to choose, the model chooses the same each time: groups come in the order in which their first
// document came, sets made by $addToSet in the order of arrival, those of the set operators in BSON order, $sample takes
// the first documents, sorting is stable, and $project puts computed fields after the included ones.
//
// Documents are taken as they are: none is given an _id. A variable that nobody defined is refused when it is used, not when the
// pipeline is read.
package aggmodel
