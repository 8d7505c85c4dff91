package migrations

// UpFiles is Up with other files.
var UpFiles = upAll
