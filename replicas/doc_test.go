// Package replicas has tests alone: of `idp serve` as several processes on one database, with one keyset and one public
// URL, as an operator runs them. What is done to a process from outside (killed, paused, stopped, replaced by another
// release) and what only processes of their own show (races, changes that one makes and the others have to notice) is
// tested here; what one process does, in the packages that do it.
package replicas
