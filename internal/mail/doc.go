// Package mail sends e-mail from a durable outbox.
//
// A message is put into the outbox in the transaction of whatever it reports, so that neither exists without the
// other; deliverers of any number of replicas send what is due. A mail server that is down delays mail and nothing
// else.
//
// It knows no wording and no event: package templates writes the messages, the assembly decides when to put one and
// when to deliver. Delivery is at least once: when a process dies between sending and noting it, the message goes out
// again under the same Message-ID.
package mail
