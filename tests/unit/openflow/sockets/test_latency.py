"""The histogram of packet-in latencies adds up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.openflow.sockets.latency import BOUNDS, LatencyHistogram


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 100)), max_size=30))
def test_every_packet_is_counted_in_each_bucket_whose_bound_it_kept(observations: list[tuple[float, int]]) -> None:
    histogram = LatencyHistogram()
    for seconds, packets in observations:
        histogram.observe(seconds, packets)
    expected = [(bound, sum(packets for seconds, packets in observations if seconds <= bound)) for bound in BOUNDS]
    assert histogram.cumulative() == expected
    assert histogram.count == sum(packets for _, packets in observations)
