// Package arch holds the project to its architecture: tests read every package and enforce who may import whom, and the
// parts of the house style that a program can judge. There is no code to import here.
//
// A new package or arrow is a line in the table of imports_test.go, with its reason, in the same commit.
package arch
