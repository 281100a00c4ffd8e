"""Projects that are backed up and projects that are made on the web, and a policy with a gate, for tests."""

from __future__ import annotations

from typing import Final

from gateway.policy.compile import Compiler
from tests.support.contracts import PROTO_HEADER, contract, policy, proto

PACKAGE: Final = "kannelle.project.v1"
HEAD: Final = PROTO_HEADER.replace("package t;", f"package {PACKAGE};")
BODY: Final = proto(
    """
message Project {
  string workspace_id = 1 @{category: OPERATIONAL, workspace: true};
  string title = 2 @CONTENT;
  repeated Scene scenes = 3;
  string owner_id = 4 @USER_ID;
}
message Scene { string script = 1 @CONTENT; }
message WebProject { Project project = 1; string address = 2 @OPERATIONAL; }
message BackUpProjectRequest { Project project = 1; }
message BackUpProjectResponse { string project_id = 1 @OPERATIONAL; }
message GetProjectRequest { string project_id = 1 @OPERATIONAL; }
message GetProjectResponse { Project project = 1; }
message ListProjectsResponse { map<string, Project> projects = 1 @{map_key: OPERATIONAL}; }
message Both { WebProject web = 1; Project project = 2; }
message Letter { google.protobuf.Any any = 1; string id = 2 @OPERATIONAL; }
message Asset { string workspace_id = 1 @{category: OPERATIONAL, workspace: true}; string name = 2 @CONTENT; }
service ProjectService {
  rpc BackUpProject(BackUpProjectRequest) returns (BackUpProjectResponse);
  rpc GetProject(GetProjectRequest) returns (GetProjectResponse);
}
""",
    HEAD,
)
CONTRACT: Final = contract(BODY)
BACKUP: Final = (
    "  backup: {recipient: store, region: FR, purpose: functional.storage, legal_basis: CONTRACT, "
    "allow: [USER_ID, OPERATIONAL, CONTENT], retention: 30d, gates: [backup], exporter: {kind: 'null'}}\n"
)
"""A destination that comes behind those of `tests.support.contracts.POLICY`."""


def compiled(flows: str = "{}", more: str = "", destination: str = BACKUP) -> Compiler:
    """A compiler of the projects, under a policy with that destination."""
    return Compiler(CONTRACT, policy(f"{more}\n", flows, destination))
