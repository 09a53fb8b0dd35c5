# Opens a terminal for the controller, for some hours: at its first boot, or by an administrator at its console.
# Ansible runs it, too, to give an open window more time. Close-Maintenance.ps1 ends the window, by hand or when its time is over.
param(
    # the controller's address; nobody else gets in
    [Parameter(Mandatory)] [ipaddress] $Controller,
    # the name (UPN) in the controller's certificate, and the local account that it stands for
    [Parameter(Mandatory)] [string] $Subject,
    [Parameter(Mandatory)] [string] $Account,
    [ValidateRange(1, 72)] [int] $Hours = 12
)
$ErrorActionPreference = 'Stop'
$system = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System'
$rules = 'HKLM:\SOFTWARE\Policies\Microsoft\WindowsFirewall\FirewallRules'

# The newest certificate that the issuing CA made for this (Install-Listener.ps1). The controller's is of the same CA.
$own = Get-ChildItem Cert:\LocalMachine\My | Sort-Object NotBefore | Where-Object {
    $_.FriendlyName -like 'renkei listener *' -and $_.HasPrivateKey -and $_.NotBefore -le (Get-Date) -and $_.NotAfter -gt (Get-Date)
} | Select-Object -Last 1
if (-not $own) { throw 'this machine has no valid certificate for its listener: see the runbook terminal-maintenance' }
$issuer = Get-ChildItem Cert:\LocalMachine\CA | Where-Object Subject -EQ $own.Issuer | Sort-Object NotBefore | Select-Object -Last 1
if (-not $issuer) { throw "the certificate of $($own.Issuer) isn't in the machine's store: run Install-Listener.ps1 again" }
$listener, $authority = $own.Thumbprint, $issuer.Thumbprint

# How the machine was, to be put back: a shared machine may have its own use for remote management.
$before = 'HKLM:\SOFTWARE\Renkei\Maintenance'
if (-not (Test-Path $before)) {
    $null = New-Item $before -Force
    $filter = (Get-ItemProperty $system).LocalAccountTokenFilterPolicy
    Set-ItemProperty $before -Name WinRM -Value "$((Get-Service WinRM).StartType)"
    Set-ItemProperty $before -Name TokenFilter -Value $(if ($null -eq $filter) { 0 } else { $filter }) -Type DWord
}

# The account's password is nobody's: it is made here, kept by the mapping and new with every opening.
$bytes = [byte[]]::new(32)
[Security.Cryptography.RandomNumberGenerator]::Create().GetBytes($bytes)
$password = ConvertTo-SecureString ([Convert]::ToBase64String($bytes) + 'aA1!') -AsPlainText -Force
if (-not (Get-LocalUser $Account -ErrorAction SilentlyContinue)) {
    $null = New-LocalUser $Account -Password $password -Description 'renkei: open in maintenance windows only'
    Add-LocalGroupMember -SID S-1-5-32-544 -Member $Account
}
Set-LocalUser $Account -Password $password
Enable-LocalUser $Account
Set-ItemProperty $system -Name LocalAccountTokenFilterPolicy -Value 1 -Type DWord

Set-Service WinRM -StartupType Automatic
Start-Service WinRM
Set-Item WSMan:\localhost\Service\Auth\Certificate $true
Set-Item WSMan:\localhost\Service\Auth\Basic $false
Get-ChildItem WSMan:\localhost\Listener | Remove-Item -Recurse -Force
$null = New-Item WSMan:\localhost\Listener -Transport HTTPS -Address * -CertificateThumbPrint $listener -Force
# certificates of clients need TLS 1.2 here; only this port's binding is changed, not the machine
$null = netsh.exe http update sslcert ipport=0.0.0.0:5986 certhash=$listener 'appid={afebb9ad-9b97-4a91-9ab5-daf4d59122f6}' `
    clientcertnegotiation=enable disabletls13=enable
Get-ChildItem WSMan:\localhost\ClientCertificate | Remove-Item -Recurse -Force
$credential = [pscredential]::new($Account, $password)
$null = New-Item WSMan:\localhost\ClientCertificate -Subject $Subject -URI * -Issuer $authority -Credential $credential -Force

$rule = "v2.32|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=5986|RA4=$Controller|Name=renkei-maintenance|EmbedCtxt=renkei|"
if (-not (Test-Path $rules)) { $null = New-Item $rules -Force }
Set-ItemProperty $rules -Name renkei-maintenance -Value $rule

$script = 'C:\Program Files\Renkei\maintenance\Close-Maintenance.ps1'
$close = New-ScheduledTaskAction -Execute powershell.exe `
    -Argument "-NoProfile -ExecutionPolicy Bypass -File `"$script`" -Account $Account"
$end = New-ScheduledTaskTrigger -Once -At (Get-Date).AddHours($Hours)
$late = New-ScheduledTaskSettingsSet -StartWhenAvailable  # a machine that was off then ends it when it starts
$null = Register-ScheduledTask -TaskName renkei-maintenance-end -Action $close -Trigger $end -Settings $late `
    -User SYSTEM -RunLevel Highest -Force
