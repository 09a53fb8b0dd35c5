# Takes the certificate that the issuing CA made for the request of Request-Listener.ps1. A window that is open goes on with
# the one that it has; the next one opens with this.
param(
    # PEM: the certificate, then that of the issuing CA
    [Parameter(Mandatory)] [string] $Chain
)
$ErrorActionPreference = 'Stop'
$texts = @([regex]::Matches($Chain, '-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----') | ForEach-Object { $_.Value })
if ($texts.Count -ne 2) { throw "two certificates are expected, this and its issuer's; there are $($texts.Count)" }
$own, $issuer = $texts | ForEach-Object {
    [Security.Cryptography.X509Certificates.X509Certificate2]::new([Text.Encoding]::ASCII.GetBytes($_))
}
$store = [Security.Cryptography.X509Certificates.X509Store]::new('CA', 'LocalMachine')
$store.Open('ReadWrite')
$store.Add($issuer)
$store.Close()

# for the machine (2), whatever roots it trusts (4): who checks this certificate is the controller
$enrolment = New-Object -ComObject X509Enrollment.CX509Enrollment
$enrolment.Initialize(2)
$enrolment.InstallResponse(4, $texts[0], 0, '')

Get-ChildItem Cert:\LocalMachine\My |
    Where-Object { $_.FriendlyName -like 'renkei listener *' -and $_.NotAfter -lt (Get-Date) } | Remove-Item -DeleteKey
$own.Thumbprint
