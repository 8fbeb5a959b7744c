// Many WebRTC viewers in one process, on pion: they ask for H.264, take it in, count it, and show nothing.
//
// One JSON request a line on standard input, one answer a line on standard output:
//
//	{"do": "offer", "id": "a"}                 -> {"sdp": "..."}
//	{"do": "offer", "id": "a", "servers": []}  -> {"sdp": "..."}, at every address and through these ICE servers
//	{"do": "accept", "id": "a", "sdp": "..."}  -> {}
//	{"do": "answer", "id": "a", "sdp": "..."}  -> {"sdp": "..."}
//	{"do": "close", "id": "a"}                 -> {}
//	{"do": "count"}                            -> {"counts": {"a": {"packets": 1, ...}}}
//
// What fails answers {"error": "..."}. The process ends with its standard input.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/pion/webrtc/v3"
)

const longestLineBytes = 1 << 20

type request struct {
	Do      string    `json:"do"`
	ID      string    `json:"id"`
	SDP     string    `json:"sdp"`
	Servers *[]server `json:"servers"`
}

type reply struct {
	SDP    string           `json:"sdp,omitempty"`
	Counts map[string]count `json:"counts,omitempty"`
	Error  string           `json:"error,omitempty"`
}

func main() {
	answers := os.Stdout
	os.Stdout = os.Stderr // pion logs to it
	viewers := map[string]*viewer{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestLineBytes)
	replies := json.NewEncoder(answers)
	for lines.Scan() {
		var asked request
		answered := reply{}
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			answered.Error = err.Error()
		} else if done, err := handle(viewers, asked); err != nil {
			answered.Error = err.Error()
		} else {
			answered = done
		}
		if err := replies.Encode(answered); err != nil {
			return
		}
	}
}

func handle(viewers map[string]*viewer, asked request) (reply, error) {
	switch asked.Do {
	case "count":
		counts := map[string]count{}
		for id, one := range viewers {
			counts[id] = one.counted()
		}
		return reply{Counts: counts}, nil
	case "offer", "answer":
		if _, there := viewers[asked.ID]; there {
			return reply{}, fmt.Errorf("there is a viewer %q already", asked.ID)
		}
		one, err := newViewer(asked.Servers)
		if err != nil {
			return reply{}, err
		}
		sdp, err := one.describe(asked.SDP)
		if err != nil {
			_ = one.close()
			return reply{}, err
		}
		viewers[asked.ID] = one
		return reply{SDP: sdp}, nil
	}
	one, there := viewers[asked.ID]
	if !there {
		return reply{}, fmt.Errorf("there is no viewer %q", asked.ID)
	}
	switch asked.Do {
	case "accept":
		answer := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: asked.SDP}
		return reply{}, one.peer.SetRemoteDescription(answer)
	case "close":
		delete(viewers, asked.ID)
		return reply{}, one.close()
	}
	return reply{}, fmt.Errorf("cannot %q", asked.Do)
}
