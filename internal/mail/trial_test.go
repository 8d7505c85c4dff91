package mail_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/internal/mail"
)

// scripted is a server that greets with the first line and answers each line of the client with the next one; "" ends the
// connection, and after the last one it is silent. A line of several has \n in it.
func scripted(t *testing.T, lines ...string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				from := bufio.NewReader(conn)
				for i, line := range lines {
					if i > 0 {
						if _, err := from.ReadString('\n'); err != nil {
							return
						}
					}
					if line == "" {
						return
					}
					fmt.Fprintf(conn, "%s\r\n", strings.ReplaceAll(line, "\n", "\r\n"))
				}
				from.ReadString('\x00')
			}()
		}
	}()
	return listener.Addr().String()
}

func transcript(t mail.Trial) string {
	var out []string
	for _, line := range t.Lines {
		out = append(out, line.From+": "+line.Text)
	}
	return strings.Join(out, "\n")
}

func TestTryTellsTheWholeSession(t *testing.T) {
	for name, options := range map[string]sinkOptions{
		"clear": {auth: true}, "starttls": {startTLS: true, auth: true}, "implicit": {implicitTLS: true, auth: true},
	} {
		k := newSink(t, options)
		scheme := "smtp"
		if options.implicitTLS {
			scheme = "smtps"
		}
		trial := mail.Try(t.Context(), dialer(t, scheme+"://robot:p%40ss%20word@"+k.address), hello)
		text := transcript(trial)
		if !trial.OK() || trial.Reached != mail.StageSent || len(k.received()) != 1 || trial.Server != k.address || trial.Advice() != "" ||
			(trial.TLS != "") != (options.startTLS || options.implicitTLS) {
			t.Fatalf("%s: %+v\n%s", name, trial, text)
		}
		for _, want := range []string{
			"server: 220 sink.example", "client: EHLO ", "server: 250-", "client: AUTH PLAIN …", "server: 235 ", "client: MAIL FROM:<no-reply@idp.example>",
			"client: RCPT TO:<zoe@example.com>", "client: DATA", "server: 354 ", "note: the message, ", "client: .", "client: QUIT", "server: 221 ",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", name, want, text)
			}
		}
		if options.startTLS && strings.Count(text, "client: EHLO ") != 2 {
			t.Errorf("%s: greeted once\n%s", name, text)
		}
		if strings.Contains(text, "p@ss") || strings.Contains(text, "AHJvYm90") {
			t.Errorf("%s: the password is in\n%s", name, text)
		}
		if trial := mail.Probe(t.Context(), dialer(t, scheme+"://robot:p%40ss%20word@"+k.address)); !trial.OK() || trial.Reached != mail.StageSignedIn ||
			strings.Contains(transcript(trial), "MAIL FROM") || len(k.received()) != 1 {
			t.Errorf("%s: a probe: %+v\n%s", name, trial, transcript(trial))
		}
	}
}

// A server says what it likes, the password for example.
func TestSec_AU03_ATrialKeepsNoSecret(t *testing.T) {
	k := newSink(t, sinkOptions{auth: true})
	trial := mail.Probe(t.Context(), dialer(t, "smtp://robot:wr0ng%21@"+k.address))
	if trial.Fault != mail.FaultAuth || trial.Reached != mail.StageGreeted || !strings.Contains(trial.Advice(), "%40") {
		t.Errorf("%+v", trial)
	}
	login := scripted(t, "220 x", "250-x\n250 AUTH LOGIN", "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "535 not cm9ib3Q= with d3IwbmchX3dyMG5nIQ== or wr0ng!_wr0ng!")
	second := mail.Probe(t.Context(), dialer(t, "smtp://robot:wr0ng%21_wr0ng%21@"+login))
	if second.Fault != mail.FaultAuth {
		t.Errorf("%+v", second)
	}
	for _, trial := range []mail.Trial{trial, second} {
		if all := transcript(trial) + trial.Detail + trial.Advice(); strings.Contains(all, "wr0ng") || strings.Contains(all, "d3IwbmchX3") || strings.Contains(all, "UGFzc3") {
			t.Errorf("the password, or what was asked, is in\n%s\n%s", all, trial.Detail)
		}
	}
}

func TestWhatATrialSaysOfFailures(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	const greeted, plain = "220 x", "250-x\n250 8BITMIME"
	secure := newSink(t, sinkOptions{startTLS: true})
	implicit := newSink(t, sinkOptions{implicitTLS: true})
	refusing := newSink(t, sinkOptions{})
	refusing.refuse = errors.New("spam")
	distant := func(url, address string) mail.Sender {
		s := dialer(t, url)
		mail.DialInstead(s, address)
		return s
	}
	to := func(who string) mail.Message { return mail.Message{To: who, Subject: "x", Text: "x"} }
	for _, tt := range []struct {
		name   string
		sender mail.Sender
		m      mail.Message
		want   mail.Fault
		stage  mail.Stage
		advice string
	}{
		{"no such host", dialer(t, "smtp://mail.invalid"), hello, mail.FaultName, mail.StageNone, "mail.invalid"},
		{"refused", dialer(t, "smtp://"+closed.Addr().String()), hello, mail.FaultRefused, mail.StageNone, "587"},
		{"certificate, STARTTLS", distant("smtp://mail.example", secure.address), hello, mail.FaultCertificate, mail.StageConnected, "mail.example"},
		{"certificate, TLS", distant("smtps://mail.example", implicit.address), hello, mail.FaultCertificate, mail.StageConnected, "mail.example"},
		{"TLS where there is none", dialer(t, "smtps://"+scripted(t, greeted)), hello, mail.FaultTLS, mail.StageConnected, "smtp://"},
		{"STARTTLS refused", distant("smtp://mail.example", scripted(t, greeted, "250-x\n250 STARTTLS", "454 no")), hello, mail.FaultTLS, mail.StageConnected, ""},
		{"no STARTTLS", distant("smtp://mail.example", scripted(t, greeted, plain)), hello, mail.FaultNoTLS, mail.StageConnected, "STARTTLS"},
		{"no way to sign in", dialer(t, "smtp://a:b@"+scripted(t, greeted, plain)), hello, mail.FaultNoAuth, mail.StageGreeted, "587"},
		{"sender", dialer(t, "smtp://"+scripted(t, greeted, plain, "553 not yours")), hello, mail.FaultSender, mail.StageSignedIn, "smtp_from"},
		{"recipient", dialer(t, "smtp://"+refusing.address), to("nobody@example.com"), mail.FaultRecipient, mail.StageFrom, "recipient"},
		{"message", dialer(t, "smtp://"+refusing.address), hello, mail.FaultMessage, mail.StageTo, "smtp_from"},
		{"later", dialer(t, "smtp://"+scripted(t, "421 too busy")), hello, mail.FaultBusy, mail.StageConnected, "later"},
		{"recipient, later", dialer(t, "smtp://"+scripted(t, greeted, plain, "250 ok", "451 greylisted")), hello, mail.FaultBusy, mail.StageFrom, "later"},
		{"another protocol", dialer(t, "smtp://"+scripted(t, "HTTP/1.1 400 Bad Request")), hello, mail.FaultOther, mail.StageConnected, "unexpectedly"},
		{"hung up", dialer(t, "smtp://"+scripted(t, greeted, "")), hello, mail.FaultOther, mail.StageConnected, "unexpectedly"},
		{"no address", dialer(t, "smtp://"+refusing.address), to("nobody"), mail.FaultOther, mail.StageNone, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trial := mail.Try(t.Context(), tt.sender, tt.m)
			if trial.Fault != tt.want || trial.Reached != tt.stage || trial.Detail == "" || !strings.Contains(trial.Advice(), tt.advice) || trial.Advice() == "" {
				t.Errorf("%+v\n%s\n%s", trial, transcript(trial), trial.Advice())
			}
		})
	}
}

func TestATrialEnds(t *testing.T) {
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	for _, silent := range []string{scripted(t), scripted(t, "220 x"), scripted(t, "220 x", "250 x")} {
		if trial := mail.Try(short(), dialer(t, "smtp://"+silent), hello); trial.Fault != mail.FaultSilent || !strings.Contains(trial.Advice(), "smtps://") {
			t.Errorf("%+v", trial)
		}
	}
	lines := "250-x\n" + strings.Repeat("250-"+strings.Repeat("y", 2000)+"\n", 300) + "250 z"
	trial := mail.Probe(t.Context(), dialer(t, "smtp://"+scripted(t, "220 x\x1b[31m\u202e", lines, "221 bye")))
	if !trial.OK() || len(trial.Lines) > 201 || len(trial.Lines[3].Text) > 500 || strings.ContainsAny(transcript(trial), "\x1b\r\u202e") {
		t.Errorf("%v, %d lines, %q", trial.Fault, len(trial.Lines), trial.Lines[0])
	}
	ever := mail.Probe(t.Context(), dialer(t, "smtp://"+scripted(t, "220 x", strings.Repeat("250-"+strings.Repeat("y", 2000)+"\n", 600)+"250 z")))
	if ever.OK() {
		t.Error("a server talks for ever")
	}
}

// Where mail goes nowhere over a network there is no session.
func TestTrialsOfOtherSenders(t *testing.T) {
	var memory mail.Memory
	if trial := mail.Probe(t.Context(), &memory); !trial.OK() || len(trial.Lines) > 0 || len(memory.Sent()) > 0 {
		t.Errorf("%+v", trial)
	}
	if trial := mail.Try(t.Context(), &memory, hello); !trial.OK() || trial.Reached != mail.StageSent || len(memory.Sent()) != 1 {
		t.Errorf("%+v", trial)
	}
	if trial := mail.Try(t.Context(), &memory, mail.Message{}); trial.Fault != mail.FaultOther || slices.Contains([]string{trial.Detail, trial.Advice()}, "") {
		t.Errorf("%+v", trial)
	}
}
