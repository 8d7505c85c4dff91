// Package templates turns page data into HTML and events into mails: pages, messages, style sheet, script.
//
// A page is a file NAME.html, rendered by [Set.Render] with the data of its handler; its sentences come from
// messages/LANGUAGE.yaml. An operator's folder ([Options].Override) replaces any of these files by name.
//
// The package refuses to know requests, sessions and domains: handlers choose page and message id, package idp puts
// the form token and the request's number into the context with [WithView]. It writes the headers that belong to a
// page (Content-Security-Policy, Cache-Control, Referrer-Policy); those of the whole site are the host's.
//
// The ids of mistakes are listed at the head of messages/en.yaml.
package templates
