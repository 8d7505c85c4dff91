package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startWait bounds the start of a program.
const startWait = 60 * time.Second

// together runs a program so that it ends with us in any case: when its standard input, a pipe that we hold, is closed, be it by
// a crash, the whole group of processes is ended, and so it is when the program itself ends.
const together = `("$@" </dev/null; kill 0) & cat >/dev/null; kill 0`

// process is a program in the background, in a group of its own.
type process struct {
	pid   int // of its shell, whose descendant it is
	stdin io.Closer
	ended chan struct{}
	said  *output
}

// output keeps what a program says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// tail returns the end of it, nothing of nil.
func (o *output) tail() string {
	if o == nil {
		return ""
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	text := o.text.Bytes()
	return string(text[max(0, len(text)-2000):])
}

// launch starts a program with nothing in its environment but PATH, HOME and what is given.
func launch(environment []string, command ...string) (*process, error) {
	cmd := exec.Command("/bin/sh", append([]string{"-c", together, "sh"}, command...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, environment...)
	p := &process{ended: make(chan struct{}), said: &output{}}
	cmd.Stdout, cmd.Stderr = p.said, p.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.pid = cmd.Process.Pid
	go func() {
		cmd.Wait() // it is killed with its group, which is no news
		close(p.ended)
	}()
	return p, nil
}

// stop ends the program and waits until it is gone.
func (p *process) stop() {
	p.stdin.Close()
	<-p.ended
}

// ready waits until address answers 200.
func (p *process) ready(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-p.ended:
			return fmt.Errorf("%s: the program has ended: %s", address, p.said.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w: %s", address, ctx.Err(), p.said.tail())
		}
	}
}

// freeAddress returns an address of the loopback network that is free now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// run runs a program to its end.
func run(ctx context.Context, folder, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = folder
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
