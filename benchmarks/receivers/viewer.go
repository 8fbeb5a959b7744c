package main

import (
	"encoding/binary"
	"net"
	"sync"

	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v3"
)

const (
	rtpHeaderBytes   = 12
	largestDatagram  = 1500
	halfOfSequence   = 1 << 15
	firstPayloadType = 100

	// A keyframe comes at once from a server on the same machine: it must fit.
	receiveBufferBytes = 1 << 20
	// Packets that were asked for again may be so far behind the newest one.
	replayWindow = 1024
)

// The H.264 profiles that cameras send: baseline, constrained baseline, main, high.
var profiles = []string{"42001f", "42e01f", "4d001f", "64001f"}

// count is what came to one viewer. Lost: packets that the sequence numbers miss and no repetition brought.
// Path: the kinds of the candidates that were chosen, its own first, such as "relay prflx"; empty before.
type count struct {
	State   string `json:"state"`
	Path    string `json:"path"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	Lost    int64  `json:"lost"`
}

type viewer struct {
	peer   *webrtc.PeerConnection
	socket net.PacketConn

	mutex   sync.Mutex
	packets uint64
	bytes   uint64
	first   int64
	highest int64
}

// server is a STUN or TURN server, as browsers name it.
type server struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username"`
	Credential string   `json:"credential"`
}

// newAPI has what a browser's viewer has that costs the server something: it asks for lost packets and reports.
// One viewer's media comes to `socket` alone; to sockets of every address where there is none.
func newAPI(socket net.PacketConn) (*webrtc.API, error) {
	media := &webrtc.MediaEngine{}
	for number, profile := range profiles {
		codec := webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType:    webrtc.MimeTypeH264,
				ClockRate:   90000,
				SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + profile,
			},
			PayloadType: webrtc.PayloadType(firstPayloadType + number),
		}
		if err := media.RegisterCodec(codec, webrtc.RTPCodecTypeVideo); err != nil {
			return nil, err
		}
	}
	interceptors := &interceptor.Registry{}
	if err := webrtc.ConfigureNack(media, interceptors); err != nil {
		return nil, err
	}
	if err := webrtc.ConfigureRTCPReports(interceptors); err != nil {
		return nil, err
	}
	quiet := logging.NewDefaultLoggerFactory() // a viewer that leaves closes its socket: pion calls that an error
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	settings := webrtc.SettingEngine{LoggerFactory: quiet}
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	types := []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6}
	if socket != nil {
		settings.SetICEUDPMux(webrtc.NewICEUDPMux(quiet.NewLogger("ice"), socket))
		types = types[:1]
	}
	settings.SetSRTPReplayProtectionWindow(replayWindow)
	settings.SetNetworkTypes(types)
	return webrtc.NewAPI(
		webrtc.WithMediaEngine(media),
		webrtc.WithInterceptorRegistry(interceptors),
		webrtc.WithSettingEngine(settings),
	), nil
}

func newViewer(servers *[]server) (*viewer, error) {
	if servers != nil {
		return newViewerAnywhere(*servers)
	}
	socket, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return nil, err
	}
	if err = socket.SetReadBuffer(receiveBufferBytes); err != nil {
		_ = socket.Close()
		return nil, err
	}
	api, err := newAPI(socket)
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	peer, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	one := &viewer{peer: peer, socket: socket}
	peer.OnTrack(one.takeIn)
	return one, nil
}

func newViewerAnywhere(servers []server) (*viewer, error) {
	api, err := newAPI(nil)
	if err != nil {
		return nil, err
	}
	settings := webrtc.Configuration{}
	for _, each := range servers {
		one := webrtc.ICEServer{URLs: each.URLs}
		if each.Credential != "" {
			one.Username, one.Credential = each.Username, each.Credential
		}
		settings.ICEServers = append(settings.ICEServers, one)
	}
	peer, err := api.NewPeerConnection(settings)
	if err != nil {
		return nil, err
	}
	one := &viewer{peer: peer}
	peer.OnTrack(one.takeIn)
	return one, nil
}

func (v *viewer) close() error {
	err := v.peer.Close()
	if v.socket != nil {
		_ = v.socket.Close()
	}
	return err
}

// describe gives the answer to an offer, or an offer where there is none; with all candidates.
func (v *viewer) describe(offer string) (string, error) {
	var own webrtc.SessionDescription
	var err error
	if offer == "" {
		receive := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
		if _, err = v.peer.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, receive); err != nil {
			return "", err
		}
		own, err = v.peer.CreateOffer(nil)
	} else {
		remote := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}
		if err = v.peer.SetRemoteDescription(remote); err != nil {
			return "", err
		}
		own, err = v.peer.CreateAnswer(nil)
	}
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(v.peer)
	if err = v.peer.SetLocalDescription(own); err != nil {
		return "", err
	}
	<-gathered
	return v.peer.LocalDescription().SDP, nil
}

func (v *viewer) takeIn(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	go func() { // sender reports: read, or the interceptors never see them
		for {
			if _, _, err := receiver.ReadRTCP(); err != nil {
				return
			}
		}
	}()
	packet := make([]byte, largestDatagram)
	for {
		size, _, err := track.Read(packet)
		if err != nil {
			return
		}
		if size >= rtpHeaderBytes {
			v.note(binary.BigEndian.Uint16(packet[2:]), size)
		}
	}
}

func (v *viewer) note(sequence uint16, size int) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.packets == 0 {
		v.first, v.highest = int64(sequence), int64(sequence)
	} else if ahead := int64(sequence - uint16(v.highest)); ahead < halfOfSequence {
		v.highest += ahead
	}
	v.packets++
	v.bytes += uint64(size)
}

func (v *viewer) counted() count {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	found := count{State: v.peer.ConnectionState().String(), Packets: v.packets, Bytes: v.bytes}
	if pair, err := v.peer.SCTP().Transport().ICETransport().GetSelectedCandidatePair(); err == nil && pair != nil {
		found.Path = pair.Local.Typ.String() + " " + pair.Remote.Typ.String()
	}
	if v.packets > 0 {
		found.Lost = v.highest - v.first + 1 - int64(v.packets)
	}
	return found
}
