// Package brand keeps how the provider presents itself: its name, logo, colour, and a few texts.
//
// What is stored is checked before: a colour gets shades on which, and in which, text is readable; a picture is one that
// browsers only show; a link leads to https or to somebody's mailbox; a text is plain.
//
// It knows no page: package templates shows what the assembly hands it, and what is not set here is as the configuration says.
package brand
