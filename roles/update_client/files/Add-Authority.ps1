# Makes the root of the update service's certificate one of the machine's. Run by ansible.windows.win_powershell, in one call:
# win_certificate_store would want a file on the machine.
param(
    # PEM: the root
    [Parameter(Mandatory)] [string] $Root
)
$ErrorActionPreference = 'Stop'
$certificate = [Security.Cryptography.X509Certificates.X509Certificate2]::new([Text.Encoding]::ASCII.GetBytes($Root))
if ($certificate.Subject -ne $certificate.Issuer) { throw "$($certificate.Subject) is no root: $($certificate.Issuer) made it" }
$store = [Security.Cryptography.X509Certificates.X509Store]::new('Root', 'LocalMachine')
$store.Open('ReadWrite')
$store.Add($certificate)
$store.Close()
