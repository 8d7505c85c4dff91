// Package backup writes a provider's database and keyset into one file, and a file into a database, of either engine.
//
// A file is, in this order: a line that says what it is, a line of JSON that says how the rest is sealed, JSON lines
// (compressed, and encrypted where there is a passphrase), and a line with the SHA-256 of everything before it. The JSON
// lines are a [Manifest], then for each table a line of its columns, a line for each row and a line of how many there were,
// and a last line with the number of all rows. The values are what the four types of our schema are in both engines, so a
// file of one engine fits into the other.
//
// It knows rows and columns, not what they mean: what a restore must not bring back to life is for the assembly to end.
package backup
