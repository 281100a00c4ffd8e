"""Stand-ins for vendors, for demo and tests: local servers that take what the vendors document and nothing else.

No real vendor is here.
"""

from __future__ import annotations

from gateway.standins.mixpanel import MixpanelStandIn
from gateway.standins.segment import SegmentStandIn
from gateway.standins.vendor import Fault, VendorStandIn
from gateway.standins.zendesk import ZendeskStandIn

__all__ = ["Fault", "MixpanelStandIn", "SegmentStandIn", "VendorStandIn", "ZendeskStandIn"]
