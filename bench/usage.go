package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every platform of Linux.
const tick = 10 * time.Millisecond

// stat is what /proc says of a process.
type stat struct {
	parent        int
	own, children time.Duration // processor's time; that of children which have ended
}

// parseStat reads a line of /proc/PID/stat (proc_pid_stat(5)).
func parseStat(line string) (stat, error) {
	after := line[strings.LastIndexByte(line, ')')+1:] // the name before may hold anything
	fields := strings.Fields(after)
	if len(fields) < 15 {
		return stat{}, fmt.Errorf("bench: %q is no stat of a process", line)
	}
	var numbers [5]int64
	for i, field := range []int{1, 11, 12, 13, 14} {
		n, err := strconv.ParseInt(fields[field], 10, 64)
		if err != nil {
			return stat{}, fmt.Errorf("bench: %q is no stat of a process", line)
		}
		numbers[i] = n
	}
	return stat{
		parent: int(numbers[0]), own: time.Duration(numbers[1]+numbers[2]) * tick, children: time.Duration(numbers[3]+numbers[4]) * tick,
	}, nil
}

// processes returns all processes.
func processes() (map[int]stat, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	all := map[int]stat{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "stat"))
		if err != nil {
			continue // it has ended
		}
		if all[pid], err = parseStat(string(text)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// tree returns root and its descendants.
func tree(all map[int]stat, root int) []int {
	found := []int{root}
	for i := 0; i < len(found); i++ {
		for pid, s := range all {
			if s.parent == found[i] {
				found = append(found, pid)
			}
		}
	}
	return found
}

// usage returns the processor's time that each of the processes with its descendants has used, those that have ended included.
func usage(roots ...int) ([]time.Duration, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	out := make([]time.Duration, len(roots))
	for i, root := range roots {
		if root == 0 {
			continue
		}
		if _, alive := all[root]; !alive {
			return nil, fmt.Errorf("bench: process %d is gone", root)
		}
		for _, pid := range tree(all, root) {
			out[i] += all[pid].own + all[pid].children
		}
	}
	return out, nil
}

// memory returns the resident memory, now and at most, in bytes, of the largest process among root and its descendants.
func memory(root int) (now, most int64, err error) {
	all, err := processes()
	if err != nil {
		return 0, 0, err
	}
	for _, pid := range tree(all, root) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		var rss, high int64
		for line := range strings.Lines(string(text)) {
			fmt.Sscanf(line, "VmRSS: %d kB", &rss)
			fmt.Sscanf(line, "VmHWM: %d kB", &high)
		}
		now, most = max(now, rss<<10), max(most, high<<10)
	}
	return now, most, nil
}
