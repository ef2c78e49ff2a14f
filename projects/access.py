"""The project gate: the project belongs to the organization, and what the caller may do in it."""

from dataclasses import replace

from config.kernel.access import Admission, narrowed
from config.kernel.errors import Absent
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.principals import ProgramPrincipal, ServicePrincipal
from projects.models import Project, ProjectMembership


class ProjectGate:
    """Named by TENANTRY_PROJECT_GATE; config.kernel.access says what it promises."""

    def admit(self, admission: Admission, reference: str) -> Admission:
        """Runs in the organization's scope, so another organization's project is absent by itself."""
        project = Project.objects.by_reference(reference)
        if project is None:
            raise Absent
        principal = admission.principal
        if isinstance(principal, ProgramPrincipal):
            if principal.project_id != project.id:
                raise Absent
            return replace(admission, project=project, permissions=principal.permissions)
        if isinstance(principal, ServicePrincipal):
            granted = admission.grants.get(None, frozenset()) | admission.grants.get(project.id, frozenset())
            if not granted:
                raise Absent
            return replace(admission, project=project, permissions=granted)
        other = ProjectMembership.objects.filter(project=project, membership=admission.membership).first()
        if other is None or admission.membership.role == Role.OWNER:
            return replace(admission, project=project)
        permissions = narrowed(principal, ROLE_PERMISSIONS[Role(other.role)])
        return replace(admission, project=project, permissions=permissions)
