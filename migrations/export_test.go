package migrations

// UpFiles is Up with other files.
var UpFiles = upAll

// Concurrently returns the indexes that a folder's files build beside those who write.
var Concurrently = concurrently
