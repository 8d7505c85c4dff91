// Package fill puts a crowd into a database: people with passwords and second factors, browsers that are signed in, grants with
// refresh tokens and codes, and a trail. Millions of rows take minutes.
//
// It makes one person and what belongs to them by the provider itself, reads the rows that this left, and copies those with other
// identifiers: a column that a migration adds comes along, and what is sealed or derived is made for each row as the provider
// would. Everything about the n-th of a kind follows from n and the keyset, so that a driver knows the names, cookies, codes and
// refresh tokens of a crowd that another process has made.
//
// It is for databases that nobody else uses meanwhile: it takes indexes away and makes them again.
package fill
