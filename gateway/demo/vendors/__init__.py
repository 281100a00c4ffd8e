"""Stand-ins for vendors, for demo and tests: local servers that take what the vendors document and nothing else.

No real vendor is here.
"""

from __future__ import annotations

from gateway.demo.vendors.mixpanel import MixpanelStandIn
from gateway.demo.vendors.segment import SegmentStandIn
from gateway.demo.vendors.stand_in import Fault, StandIn
from gateway.demo.vendors.zendesk import ZendeskStandIn

__all__ = ["Fault", "MixpanelStandIn", "SegmentStandIn", "StandIn", "ZendeskStandIn"]
